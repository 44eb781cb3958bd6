"""Who answers for what: support functions, posts, responsibilities after RACI, and the gaps between them."""
