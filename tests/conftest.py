pytest_plugins = ["distributions", "hub_settings"]
