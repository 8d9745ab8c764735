"""The questions that models are measured by: those of ``compare ask``, read by probabilities of first tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from llm_compare.errors import CannotTune
from llm_compare.prompting.plan import plan_requests
from llm_compare.prompting.request import Request
from llm_compare.prompting.variant import AnswerFormat, Variant
from llm_compare.replies.reply import RecordedReply
from llm_compare.tuning.evaluation.answering import DRAWN, LIKELIEST, Asker, model_string
from llm_compare.tuning.evaluation.share_table import ShareTable
from llm_compare.tuning.models.local_model import LocalModel
from survey.design import Arm, Comparison, StudyDesign

_MEASURABLE = (AnswerFormat.LETTER, AnswerFormat.FIRST_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """A study as it is put to models, with who asks."""

    design: StudyDesign
    arm: Arm
    variant: Variant
    """Word for word that of the training sets; its first token is read."""
    asker: Asker
    order: tuple[str, ...] | None = None
    """Of the attributes; None for the design's."""

    @classmethod
    def of(cls, design: StudyDesign, arm: Arm, variant: Variant, asker: Asker) -> Questions:
        """Put a study in the words of a variant.

        Raises
        ------
        CannotTune
            The variant asks for an answer that does not begin with its mark.
        """
        if variant.answer_format not in _MEASURABLE:
            raise CannotTune(
                f"the sets were prepared with answers as '{variant.answer_format}', whose first token tells "
                "nothing; measure such adapters with 'compare tune serve', 'compare ask' and 'compare align', or "
                "prepare the sets with --answer-format letter"
            )
        return cls(
            design=design,
            arm=arm,
            variant=replace(variant, answer_format=AnswerFormat.FIRST_TOKEN),
            asker=asker,
        )

    def asked_as(self, variant: Variant) -> Questions:
        """Return the same study in other words, read alike."""
        return replace(self, variant=replace(variant, answer_format=AnswerFormat.FIRST_TOKEN))

    def requests(self, model: LocalModel, comparisons: Sequence[Comparison]) -> tuple[Request, ...]:
        """Return the calls that ask for comparisons, both ways round."""
        return self._planned(model, comparisons, self.variant, repeats=1)

    def shares(self, model: LocalModel, name: str, comparisons: Sequence[Comparison]) -> ShareTable:
        """Ask a model, and return its shares; replies are kept under ``name``."""
        requests = self.requests(model, comparisons)
        return ShareTable.of_replies(self.asker.ask(model, name, self.design, requests))

    def answered_by_letter(
        self, model: LocalModel, name: str, comparisons: Sequence[Comparison], *, repeats: int
    ) -> tuple[RecordedReply, ...]:
        """Return replies as a provider without probabilities gives them: one drawn answer each.

        They are kept under the seed, too: draws of another seed are no answers to these requests.
        """
        letter = replace(self.variant, answer_format=AnswerFormat.LETTER)
        return self.asker.ask(
            model,
            f"{name}.seed-{self.asker.seed}",
            self.design,
            self._planned(model, comparisons, letter, repeats=repeats),
        )

    def unknown_words(self, model: LocalModel, comparisons: Sequence[Comparison]) -> str:
        """Return what the model's tokenizer cannot read of these questions; empty where it can read all.

        Only of a tokenizer whose words are whole lines, as those of models made on the spot; others spell.
        """
        unknown = model.tokenizer.unk_token_id
        if unknown is None:
            return ""
        for request in self.requests(model, comparisons):
            for message in request.messages:
                for line in message.content.split("\n"):
                    if line.strip() and unknown in model.tokenizer.encode(line, add_special_tokens=False):
                        return line
        return ""

    def _planned(
        self, model: LocalModel, comparisons: Sequence[Comparison], variant: Variant, *, repeats: int
    ) -> tuple[Request, ...]:
        return plan_requests(
            self.design,
            comparisons,
            arm=self.arm,
            model=model_string(model),
            settings=LIKELIEST if variant.answer_format is AnswerFormat.FIRST_TOKEN else DRAWN,
            variants=(variant,),
            orders=None if self.order is None else (self.order,),
            repeats=repeats,
        )
