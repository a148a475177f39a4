"""The local AWS: one emulator process an account, with IAM enforced."""
