"""Everything that talks to the Hugging Face Hub, and nothing else does.

`repository.py` fetches, `pushing.py` publishes, `limits.py` bounds the time of both, and `failures.py` turns
whatever goes wrong into one sentence.
"""

MESSAGE = "Push a model with ganzoo"  # of commits; here, so that the command line can show it and import nothing heavy
