"""Publishing on the Hugging Face Hub: names, login, one commit, errors in a line; what must not leave a machine."""
