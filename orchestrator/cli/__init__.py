"""The command line: one file per noun, loaded when it is called; ``view.py`` alone prints."""
