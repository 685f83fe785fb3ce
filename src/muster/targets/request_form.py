"""The form of a platform's chat requests, beyond model and token."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from muster.documents import Document
from muster.targets.headers import Headers, header_name

FirstToken = Literal["any", "content", "reasoning", "tool_call"]
OF_TRACE = "trace"
"""Value of `prompts`: each as long as its line of the trace says."""
PROMPT_TOKENS_MAX = 200_000
TokensField = Literal["max_tokens", "max_completion_tokens"]


class RequestForm(Document):
    """The part of a request in which platforms differ; defaults are those of OpenAI's chat API."""

    headers: Headers = Field(
        default={}, description="additional headers of every request, also of canaries"
    )
    token_header: Annotated[str, AfterValidator(header_name)] = Field(
        default="Authorization",
        description="header that carries the token; Authorization carries it as a bearer token, "
        "any other header (api-key) unchanged",
    )
    tokens_field: TokensField = Field(
        default="max_tokens", description="field that limits the generated tokens"
    )
    prompts: str | None = Field(
        default=None,
        description="text file with one prompt per line, used in turn; trace: prompts as long as "
        "the ContextTokens of load.trace; null: one short prompt. Each request begins with a "
        "unique number, so that no cache holds its answer",
    )
    prompt_tokens_max: Annotated[int, Field(ge=1, le=PROMPT_TOKENS_MAX)] = Field(
        default=16_384, description="the longest prompt of prompts: trace, in tokens"
    )
    first_token: FirstToken = Field(
        default="any", description="the delta that counts as the first token: any generated one"
    )
    done_demanded: bool = Field(
        default=True,
        description="false: a stream with a finish_reason is complete without data: [DONE]",
    )
