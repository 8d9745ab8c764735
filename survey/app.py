"""The web application, made from settings and an engine in named steps."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from flask import Blueprint, Flask, render_template
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Engine, text
from werkzeug.middleware.proxy_fix import ProxyFix

from survey.config import Settings, secrets_of
from survey.db import reading
from survey.web import access, api, errors, interface, limits, logs, participate, research, security
from survey.web.context import Context, keep_context

# Researcher's pages of the other packages: loaded by name, so that the survey imports none of them.
OTHER_BLUEPRINTS = ("estimation.web", "exchange.web", "llm_compare.web")


def create_app(settings: Settings, engine: Engine) -> Flask:
    """Return the application. It opens nothing: ``engine`` comes from ``open_database``."""
    app = Flask("survey.web", static_folder="static", static_url_path="/static")
    configure(app, settings, engine)
    logs.log_requests(app, settings.log_level)
    security.protect(app, settings)
    interface.speak(app)
    errors.register(app)
    access.keep_sessions(app)
    register_pages(app)
    register_other_packages(app)
    limits.limit_requests(app, settings)
    return app


def configure(app: Flask, settings: Settings, engine: Engine) -> None:
    """Set what Flask needs and keep what the views need."""
    secrets = secrets_of(settings)
    app.config.update(
        SECRET_KEY=secrets.secret_key,
        # A participant may pause for hours: the token lives as long as the session.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True, "autoescape": True}
    keep_context(app, Context(settings=settings, secrets=secrets, engine=engine))
    # The API knows no cookies: only a bearer token opens it, so no other site can act in somebody's name.
    CSRFProtect(app).exempt(api.blueprint)
    if settings.trusted_proxies:
        n = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n)  # type: ignore[method-assign]


def register_pages(app: Flask) -> None:
    """Add the participant's and the researcher's pages, the programs' API, and the health check."""
    app.register_blueprint(participate.blueprint)
    app.register_blueprint(research.blueprint)
    app.register_blueprint(api.blueprint)

    @app.get("/")
    def home() -> str:
        return render_template("home.html")

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        """Answer 200 if the database answers: for load balancers and monitors."""
        context: Context = app.extensions["equipoise"]
        with reading(context.engine) as session:
            session.execute(text("SELECT 1"))
        return {"status": "ok"}


def register_other_packages(app: Flask) -> None:
    """Add the blueprint of each other package that is installed and has one (``<package>.web.blueprint``)."""
    for name in OTHER_BLUEPRINTS:
        package = name.partition(".")[0]
        if importlib.util.find_spec(package) and importlib.util.find_spec(name):
            found = importlib.import_module(name).blueprint
            if not isinstance(found, Blueprint):
                raise TypeError(f"{name}.blueprint must be a flask.Blueprint")
            app.register_blueprint(found)
