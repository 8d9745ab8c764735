"""Payment: how taking part ended, completion codes, the recruitment ids that a design keeps. For owners only.

Nothing here leads to an answer: files with ids or codes hold no pseudonym, and files with answers hold neither.
"""

from __future__ import annotations

from collections import Counter

from flask import Response, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from survey.db import reading, writing
from survey.participation import Ending
from survey.store import identities, participants, studies
from survey.store.invitations import invitations
from survey.web.access import current_actor, owners_only
from survey.web.context import now, public_address, the_engine
from survey.web.files import file_response
from survey.web.participate.visitor import id_keeper
from survey.web.research.common import (
    CSV,
    csv_bytes,
    note_download,
    study_or_404,
)
from survey.web.research.views import blueprint


@blueprint.get("/studies/<int:study_id>/payment")
@owners_only
def payment(study_id: int) -> str:
    """Show how many ended in which way, and offer what is needed to pay them."""
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        design = studies.design_of(study)
        codes = participants.completion_codes(session, study)
        fixed = {page.ending: page.code for page in design.endings if page.code}
        counts = Counter(ending for ending, _ in codes)
        return render_template(
            "research/payment.html",
            study=study,
            design=design,
            endings=[(ending, counts[ending.value], fixed.get(ending, "")) for ending in Ending],
            codes=codes,
            kept=identities.count_kept_ids(session, study),
            as_of=now(),
        )


@blueprint.get("/studies/<int:study_id>/completion-codes.csv")
@owners_only
def completion_codes_csv(study_id: int) -> Response:
    """Download the code of everybody whose taking part has ended; nothing links them to answers."""
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        codes = participants.completion_codes(session, study)
    note_download(study, "completion codes downloaded", codes=len(codes))
    name = f"{study.slug}-{study.version}-completion-codes.csv"
    return file_response(csv_bytes(("ending", "completion_code"), codes), name, CSV)


@blueprint.get("/studies/<int:study_id>/recruitment-ids.csv")
@owners_only
def recruitment_ids_csv(study_id: int) -> Response:
    """Download the ids that the design keeps, with ending and code; nothing links them to answers."""
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        kept = identities.kept_ids(session, study, id_keeper())
    note_download(
        study, "recruitment ids downloaded", ids=len({(k.recruited.source, k.recruited.id) for k in kept})
    )
    details = sorted({name for k in kept for name, _ in k.recruited.details})
    rows = [
        (
            k.recruited.source,
            k.recruited.id,
            *(dict(k.recruited.details).get(name, "") for name in details),
            str(k.wave),
            k.ending.value if k.ending else "",
            k.code,
        )
        for k in kept
    ]
    header = ("source", "id", *details, "wave", "ending", "completion_code")
    return file_response(csv_bytes(header, rows), f"{study.slug}-{study.version}-recruitment-ids.csv", CSV)


@blueprint.post("/studies/<int:study_id>/forget-ids")
@owners_only
def forget_ids(study_id: int) -> BaseResponse:
    """Delete the ids that are kept."""
    if request.form.get("sure") != "yes":
        abort(400)
    with writing(the_engine()) as session:
        study = study_or_404(session, study_id)
        count = identities.forget_ids(session, study, now=now(), actor=current_actor())
    flash(f"{count} kept ids are deleted." if count != 1 else "1 kept id is deleted.")
    return redirect(url_for(".payment", study_id=study_id), code=303)


@blueprint.get("/studies/<int:study_id>/invitations.csv")
@owners_only
def invitations_csv(study_id: int) -> Response:
    """Download the personal links of those who finished the wave before and have not begun the present one."""
    with reading(the_engine()) as session:
        study = study_or_404(session, study_id)
        invited = invitations(session, study, id_keeper())
    note_download(study, "invitations downloaded", wave=study.wave, invitations=len(invited))
    base = public_address()
    rows = [
        (
            i.recruited.source if i.recruited else "",
            i.recruited.id if i.recruited else "",
            i.completion_code,
            base + url_for("participate.participant", token=i.token),
        )
        for i in invited
    ]
    header = ("source", "id", "completion_code_before", "link")
    name = f"{study.slug}-{study.version}-wave-{study.wave}-invitations.csv"
    return file_response(csv_bytes(header, rows), name, CSV)
