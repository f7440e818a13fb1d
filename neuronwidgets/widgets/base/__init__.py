"""What all widgets share: jobs, live feeds, previews, pages without a kernel."""
