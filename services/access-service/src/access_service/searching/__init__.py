"""AuthZEN's searches (Authorization API 1.0, section 8): who may, on which, what. All for which `decide` permits."""
