"""What runs lanes on devices, and loops over time. It imports no cell or experiment."""
