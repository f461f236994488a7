"""What the build scripts of several workloads share."""
