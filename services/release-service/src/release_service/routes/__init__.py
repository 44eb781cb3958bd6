"""The HTTP edge, a file a noun: each handler reads its input, calls one verb, and shows what came of it."""
