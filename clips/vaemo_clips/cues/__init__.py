"""What can be measured in a clip: cues of the face and of the voice, over time and in sum."""
