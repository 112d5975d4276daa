"""The engines that turn one clip into one caption."""
