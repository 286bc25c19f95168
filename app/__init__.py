"""The Gradio app of KerasFT, installed as `kerasft_app`."""
