"""People's judgement of captions: a local page, the decisions, and what becomes of them."""
