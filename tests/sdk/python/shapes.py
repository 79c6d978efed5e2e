"""The seven message shapes of the upstream's documentation."""


def _text(text):
    return {"type": "text", "text": text}


def _media(kind, url):
    return {"type": f"{kind}_url", f"{kind}_url": {"url": f"https://example.com/{url}"}}


def _user(*parts):
    return [{"role": "user", "content": list(parts)}]


SHAPES = {
    "plain text": [{"role": "user", "content": "count 1 to 3"}],
    "text part": _user(_text("count 1 to 3")),
    "text and image": _user(_text("describe this image"), _media("image", "x.png")),
    "text and video": _user(_text("summarize this video"), _media("video", "clip.mp4")),
    "text and file": _user(_text("extract key points"), _media("file", "doc.pdf")),
    "several turns": [
        {"role": "system", "content": "You are a terse assistant."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "3+3?"},
    ],
    "all kinds of attachments": _user(
        _text("Summarize the key information from the following images, videos, audio, and documents"),
        _media("image", "image-1.png"),
        _media("image", "image-2.jpg"),
        _media("video", "clip-1.mp4"),
        _media("video", "clip-2.mp4"),
        _media("audio", "audio-1.mp3"),
        _media("audio", "audio-2.wav"),
        _media("file", "doc-1.pdf"),
        _media("file", "doc-2.docx"),
    ),
}
