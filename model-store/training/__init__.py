"""Code shared by all training scripts: export, synthetic rows, checksums, figures."""
