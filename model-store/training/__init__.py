"""What the trainings of all models share: export, made-up rows, pictures."""
