"""Known corpora of emotion: their official folders, file names and lists, read as sources of clips."""
