"""How a platform wants its chat requests, where that is more than a model and a token."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from muster.documents import Document
from muster.targets.headers import Headers, header_name

FirstToken = Literal["any", "content", "reasoning", "tool_call"]
TokensField = Literal["max_tokens", "max_completion_tokens"]


class RequestForm(Document):
    """The part of a request that platforms disagree on; the defaults are OpenAI's chat API."""

    headers: Headers = Field(default={}, description="more headers of every request, canaries too")
    token_header: Annotated[str, AfterValidator(header_name)] = Field(
        default="Authorization",
        description="header that carries the token; any but Authorization carries it bare, as "
        "api-key does",
    )
    tokens_field: TokensField = Field(
        default="max_tokens", description="field that bounds the generated tokens"
    )
    prompts: str | None = Field(
        default=None,
        description="text file, a prompt a line, asked in turn; null: one short prompt. Each "
        "request begins with a number of its own, so that no cache has its answer",
    )
    first_token: FirstToken = Field(
        default="any", description="the delta whose coming is the first token: any generated one"
    )
    done_demanded: bool = Field(
        default=True,
        description="false: a stream that gave a finish_reason is whole without data: [DONE]",
    )
