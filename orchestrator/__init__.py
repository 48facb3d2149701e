"""The control plane of the farm: builds, leases, ships and judges measurements."""
