"""`make demo`: the suite's main job, walked step by step through the gateway of a suite that runs."""
