"""The directory by SCIM 2.0 (RFC 7643, 7644, 9865) at /scim/v2: people and groups, on scim2-server.

What the protocol says is the library's; here stands what Lodge has: which attributes (`resources`), where they are
kept (`columns`, `storage`), and how a group of twenty thousand is changed without reading it (`member_changes`).
"""
