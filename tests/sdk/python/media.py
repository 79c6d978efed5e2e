"""What is seen, heard and read besides text: OpenAI's parts in, the upstream's out."""

import base64

import openai
from harness import CLAUDE, GEMINI, GPT, buys, check, journal, run
from support import client, strict_completion, strict_stream

TEXT = {"type": "text", "text": "describe this"}
# The bridge of these checks uploads what is longer than 64 KiB.
SHORT = base64.b64encode(b"some bytes of media").decode()
LONG = base64.b64encode(bytes(range(256)) * 300).decode()


def asked(*parts):
    return [{"role": "user", "content": [TEXT, *parts]}]


def submitted(*parts, model=GEMINI):
    """Asks about the parts, and returns the answer's text and the parts that were submitted."""
    with buys(1):
        raw = client().chat.completions.with_raw_response.create(model=model, messages=asked(*parts))
    completion = strict_completion(raw.text)
    (message,) = journal()["submissions"][-1]["messages"]
    text, *media = message["content"]
    assert text == TEXT
    return completion.choices[0].message.content, media


def audio(data, kind="wav"):
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}


def file(data, **more):
    return {"type": "file", "file": {"file_data": data, **more}}


def image(url, **more):
    return {"type": "image_url", "image_url": {"url": url, **more}}


@check
def audio_is_heard():
    for kind, mime in (("wav", "audio/wav"), ("mp3", "audio/mpeg")):
        said, media = submitted(audio(SHORT, kind))
        assert media == [{"type": "audio_url", "audio_url": {"url": f"data:{mime};base64,{SHORT}"}}]
        assert "1 audio clip" in said


@check
def a_file_is_read():
    uri = f"data:application/pdf;base64,{SHORT}"
    for part in (file(uri, filename="report.pdf"), file(SHORT, filename="report.pdf")):
        for model in (GEMINI, CLAUDE):
            said, media = submitted(part, model=model)
            assert media == [{"type": "file_url", "file_url": {"url": uri}}]
            assert "1 file" in said


@check
def an_image_is_seen_in_the_detail_that_was_asked_for():
    for url in (f"data:image/png;base64,{SHORT}", "https://example.com/x.png"):
        part = image(url, detail="high")
        said, media = submitted(part, model=GPT)
        assert media == [part]
        assert "1 image" in said


@check
def what_is_too_long_to_be_sent_inline_is_uploaded_first():
    before = len(journal()["uploads"])
    said, media = submitted(
        image(f"data:image/png;base64,{LONG}", detail="low"),
        audio(LONG),
        file(f"data:application/pdf;base64,{LONG}", filename="report.pdf"),
        image(f"data:image/png;base64,{SHORT}"),
    )
    assert "2 images, 1 audio clip, 1 file" in said
    uploads = journal()["uploads"][before:]
    assert sorted(upload["file_data"].partition(";base64,")[0] for upload in uploads) == [
        "data:application/pdf",
        "data:audio/wav",
        "data:image/png",
    ]
    assert all(upload["file_data"].endswith(f";base64,{LONG}") for upload in uploads)
    seen, heard, read, short = media
    assert seen["image_url"].pop("detail") == "low"
    for part, kind, extension in ((seen, "image", "png"), (heard, "audio", "wav"), (read, "file", "pdf")):
        assert part["type"] == f"{kind}_url"
        ((name, url),) = part[f"{kind}_url"].items()
        assert name == "url" and url.startswith("http") and url.endswith(f".{extension}"), url
    assert short == image(f"data:image/png;base64,{SHORT}")


@check
def a_stream_takes_media_too():
    before = len(journal()["uploads"])
    with buys(1):
        assert strict_stream(model=GEMINI, messages=asked(audio(LONG)))
    assert len(journal()["uploads"]) == before + 1


@check
def a_failed_upload_buys_nothing():
    marked = base64.b64encode(b"[[fox: upload=500x*]]" + bytes(range(256)) * 300).decode()
    with buys(0):
        try:
            client(max_retries=1).chat.completions.create(model=GEMINI, messages=asked(audio(marked)))
        except openai.InternalServerError as error:
            assert (error.code, error.param) == ("upload_failed", "messages[0].content[1]"), error
        else:
            raise AssertionError("no failure")


@check
def what_cannot_be_had_is_named_and_costs_nothing():
    by_id = {"type": "file", "file": {"file_id": "file-abc"}}
    for part, param, expected in (
        (by_id, "messages[0].content[1].file.file_id", openai.BadRequestError),
        (audio(SHORT, "midi"), "messages[0].content[1].input_audio.format", openai.BadRequestError),
        ({"type": "input_audio"}, "messages[0].content[1].input_audio", openai.BadRequestError),
    ):
        with buys(0):
            try:
                client().chat.completions.create(model=GEMINI, messages=asked(part))
            except expected as error:
                assert error.param == param, error.param
            else:
                raise AssertionError(f"{part} was taken")


run()
