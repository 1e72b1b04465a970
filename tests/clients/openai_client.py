"""Talks to a gateway with the official `openai` package, unmodified. Usage: openai_client.py BASE_URL API_KEY"""

import sys

import openai


def main(url: str, key: str) -> None:
    client = openai.OpenAI(base_url=url, api_key=key, max_retries=2)
    question = [{"role": "user", "content": "Say hello to the river."}]

    names = [model.id for model in client.models.list()]
    assert "smollm2" in names and "conscious" in names, names
    assert client.models.retrieve("smollm2").object == "model"

    answer = client.chat.completions.create(model="smollm2", messages=question, max_tokens=16, temperature=0)
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.content
    assert answer.choices[0].finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens

    for _ in ("from the worker or memory", "and again"):
        stream = client.chat.completions.create(
            model="smollm2", messages=question, max_tokens=16, temperature=0, stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == answer.choices[0].message.content, (text, answer)
        assert len({c.id for c in chunks}) == 1
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")
        assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens == answer.usage.total_tokens

    text = client.completions.create(model="smollm2", prompt="The river", max_tokens=8, temperature=0)
    assert text.choices[0].text and text.object == "text_completion"

    raw = client.chat.completions.with_raw_response.create(model="conscious", messages=question, max_tokens=16, temperature=0)
    assert raw.headers["x-cherokee-layer"] and raw.headers["x-cherokee-memory"], dict(raw.headers)

    for wrong, kind in (
        (lambda: client.chat.completions.create(model="no-such-model", messages=question), openai.NotFoundError),
        (lambda: client.chat.completions.create(model="smollm2", messages=question, n=3), openai.BadRequestError),
        (lambda: openai.OpenAI(base_url=url, api_key="wrong", max_retries=0).models.list(), openai.AuthenticationError),
    ):
        try:
            wrong()
        except kind as error:
            assert error.body["message"] and error.body["code"], error.body
        else:
            raise AssertionError(f"{kind.__name__} was expected")
    print("all checks passed")


if __name__ == "__main__":
    main(*sys.argv[1:])
