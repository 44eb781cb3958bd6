"""`python -m enquiry_service.export <worker's process id>`: the process of one run."""

from enquiry_service.export.child import main

raise SystemExit(main())
