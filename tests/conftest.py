pytest_plugins = ["distributions"]
