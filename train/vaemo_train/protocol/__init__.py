"""Who is trained on, who validates, who is tested: labels and splits of clips."""
