"""Settings: everything that differs between machines comes from the environment, parsed strictly."""

from datetime import timedelta
from pathlib import Path

import django
from kombu import Queue

from project import data_dir, databases, environment, secret_key
from workers.conf import WriteSettings
from workers.up import RedisAddress, socket_path

environment.refuse_retired()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = data_dir.prepare(environment.path("DATA_DIR", BASE_DIR / "var"))

# The explicit development switch: opens /session_a and /session_b without a token, makes the demo user,
# and lets cookies travel over plain HTTP. Nothing else loosens.
DEMO = environment.boolean("DEMO", default=False)
DEBUG = False

SECRET_KEY = (
    environment.text("SECRET_KEY")
    or environment.content_of("SECRET_KEY_FILE")
    or secret_key.load_or_create(DATA_DIR)
)
CSRF_TRUSTED_ORIGINS = environment.names("CSRF_TRUSTED_ORIGINS", [])

# What `manage.py up` starts.
HOST = environment.host("HOST", "127.0.0.1")
ALLOWED_HOSTS = environment.allowed_hosts("ALLOWED_HOSTS", environment.own_names(HOST))
PORT = environment.integer("PORT", 8000, at_least=1, at_most=65_535)
# Where the demonstration commands find the service, when that is elsewhere: from another container.
SERVICE_URL = environment.text("SERVICE_URL")
# One process uses one core; the writer and Redis together need a tenth of what the web processes need.
WEB_PROCESSES = environment.integer(
    "WEB_PROCESSES", min(max(2, environment.cores()), 16), at_least=1, at_most=64
)
WEB_CONNECTIONS = environment.integer("WEB_CONNECTIONS", 4_000, at_least=1, at_most=10_000)
WEB_DATABASE_CONNECTIONS = environment.integer("WEB_DATABASE_CONNECTIONS", 20, at_least=2, at_most=1_000)
# Requests of these paths run on the event loop of a web process, where nothing may block; others in threads.
WEB_ON_LOOP = ["/api/items/", "/api/transactions/", "/api/writes/", "/health/"]

# Behind a TLS-terminating proxy that sets X-Forwarded-Proto itself.
if environment.boolean("TRUST_X_FORWARDED_PROTO", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEMO
# Proxies that append to X-Forwarded-For, and how often passwords may be tried: project/accounts/attempts.py.
PROXIES = environment.integer("PROXIES", 0, at_least=0, at_most=10)
LOGIN_ATTEMPTS = environment.integer("LOGIN_ATTEMPTS", 10, at_least=1, at_most=1_000_000)
LOGIN_WINDOW_SECONDS = environment.integer("LOGIN_WINDOW_SECONDS", 300, at_least=1, at_most=86_400)
# How many requests may come with one token and from one address: project/accounts/rates.py.
RATE_LIMIT_PER_TOKEN = environment.rate("RATE_LIMIT_PER_TOKEN")
RATE_LIMIT_PER_ADDRESS = environment.rate("RATE_LIMIT_PER_ADDRESS")
# Who may read /metrics without a token: docs/metrics.md.
METRICS_ADDRESSES = environment.networks("METRICS_ADDRESSES")
SECURE_HSTS_SECONDS = environment.integer("HSTS_SECONDS", 0, at_least=0, at_most=63_072_000)
SECURE_SSL_REDIRECT = environment.boolean("HTTPS_REDIRECT", default=False)
if SECURE_SSL_REDIRECT and "SECURE_PROXY_SSL_HEADER" not in globals():
    raise environment.InvalidEnvironment(
        "HTTPS_REDIRECT needs TRUST_X_FORWARDED_PROTO: else all requests count as HTTP and are redirected."
    )
SECURE_REDIRECT_EXEMPT = ["^health/"]  # asked from the machine itself
# Whether all other hosts of the domain, and for ever, have HTTPS is not this service's to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_filters",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    # Before `workers`, whose `up` it extends.
    "project.demo",
    "workers",
    "items",
    "project.api",
    # Last: it replaces a signal that django.contrib.auth connects when it is ready.
    "project.accounts",
]
_CSP_MIDDLEWARE = (
    "django.middleware.csp.ContentSecurityPolicyMiddleware"
    if django.VERSION >= (6, 0)
    else "project.api.csp.ContentSecurityPolicyMiddleware"
)
MIDDLEWARE = [
    "workers.request_id.request_id",
    "project.api.middleware.KeptRequests",
    "django.middleware.security.SecurityMiddleware",
    _CSP_MIDDLEWARE,
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    # After those that only add headers: what it refuses has them too.
    "project.api.middleware.Bodies",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "project.accounts.rates.AddressRate",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "project.api.middleware.MissingSlash",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "project.api.middleware.Refusals",
    "project.admin.lists.StrictLists",
]
# What only browsers need. Requests that come with a token do without it: see project/api/handlers.py.
ONLY_FOR_BROWSERS = [
    _CSP_MIDDLEWARE,
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "project.admin.lists.StrictLists",
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# What else a connection is given depends on the process's role: see workers/store/opening.py.
DATABASES = databases.of_environment(DATA_DIR)
# Has GETs read from DATABASE_READ_URL, where that is set.
DATABASE_ROUTERS = ["workers.store.replica.Router"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Without REDIS_URL everything meets at the socket of the Redis that `manage.py up` starts.
_redis = environment.redis("REDIS_URL") or RedisAddress.of_socket(socket_path(DATA_DIR))
REDIS_URL = _redis.url
WRITE_KEY_PREFIX = environment.read(WriteSettings.WRITE_KEY_PREFIX)
CACHES = {
    "default": {
        # Not Django's own, whose clear() would empty the stream.
        "BACKEND": "workers.cache.SharedRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": f"{WRITE_KEY_PREFIX}:cache",
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 1},
    }
}
# In Redis, because a web process may not write the store.
SESSION_ENGINE = "project.accounts.sessions"  # in the cache

# The broker is the Redis of the writes, see workers/celery.py: it carries doorbells and own tasks.
CELERY_BROKER_POOL_LIMIT = 10
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
# Tasks of one's own are for a worker of their own, see workers/writer/worker/bootsteps.py. More queues may be
# named here.
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_QUEUES = [Queue("default"), Queue("writer")]
CELERY_WORKER_POOL = "solo"
CELERY_WORKER_CONCURRENCY = 1
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "project.accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["project.accounts.rates.TokenRate"],
    "DEFAULT_PARSER_CLASSES": ["workers.rest.parsers.BoundedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["workers.rest.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "workers.rest.negotiation.PlainNegotiation",
    "DEFAULT_METADATA_CLASS": "project.api.metadata.Metadata",
    "DEFAULT_SCHEMA_CLASS": "workers.rest.schema.openapi.WriteSchema",
    "EXCEPTION_HANDLER": "project.api.exception_handler.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer", "AUTO_REFRESH": False, "TOKEN_TTL": timedelta(days=365)}
SPECTACULAR_SETTINGS = {
    "TITLE": "One Writer",
    "DESCRIPTION": "A REST API whose every write is committed by one writer, in order, once.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "GET_LIB_DOC_EXCLUDES": "workers.rest.schema.docstrings.lib_doc_excludes",
    "SCHEMA_PATH_PREFIX": "/api/",
    # Wherever the document comes from.
    "SERVERS": [{"url": "/"}],
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "POSTPROCESSING_HOOKS": ["project.api.schema.document_what_is_shared"],
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

AUTHENTICATION_BACKENDS = ["project.accounts.authentication.LimitedBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"
CSRF_FAILURE_VIEW = "project.api.pages.csrf_failure"

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "project.formats"
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
# Files are served from the installed packages; no collectstatic step stands between clone and run.
WHITENOISE_USE_FINDERS = True
WHITENOISE_ROOT = BASE_DIR / "project" / "root_files"  # the icon that browsers ask for on every page
X_FRAME_OPTIONS = "DENY"
# Of Django 6; before it, project/api/csp.py. Nothing comes from elsewhere, nor stands in a page itself.
SECURE_CSP = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:"],  # the pictures in the style sheet of the API's description
    "object-src": ["'none'"],
    "base-uri": ["'none'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
}

LOG_LEVEL = environment.choice("LOG_LEVEL", "INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
LOG_FORMAT = environment.choice("LOG_FORMAT", "text", choices=["text", "json"])
# Whose templates name figures, such as `state=`: no other's, which may be made of what a client sent.
OWN_LOGGERS = {"packages": ["workers", "project", "items"]}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "workers.logs.TextLines", **OWN_LOGGERS},
        "json": {"()": "workers.logs.JsonLines", **OWN_LOGGERS},
    },
    "filters": {"short_refusals": {"()": "workers.web.log_lines.ShortRefusals"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["short_refusals"]}
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {"celery": {"level": "WARNING"}, "kombu": {"level": "WARNING"}},
}

# The write path, see workers/SETTINGS.md.
WRITE_WAIT_SECONDS = environment.read(WriteSettings.WRITE_WAIT_SECONDS)
WRITE_SUBMIT_TIMEOUT_SECONDS = environment.read(WriteSettings.WRITE_SUBMIT_TIMEOUT_SECONDS)
WRITE_ACCEPT_REPLICAS = environment.read(WriteSettings.WRITE_ACCEPT_REPLICAS)
WRITE_STREAM_MAX_LENGTH = environment.read(WriteSettings.WRITE_STREAM_MAX_LENGTH)
WRITE_STREAM_MAX_BYTES = environment.read(WriteSettings.WRITE_STREAM_MAX_BYTES)
WRITE_MAX_ESTIMATED_WAIT_SECONDS = environment.read(WriteSettings.WRITE_MAX_ESTIMATED_WAIT_SECONDS)
WRITE_MAX_WAITING = environment.read(WriteSettings.WRITE_MAX_WAITING)
WRITE_SHARE_BYTES = environment.read(WriteSettings.WRITE_SHARE_BYTES)
WRITE_MAX_BODY_BYTES = environment.read(WriteSettings.WRITE_MAX_BODY_BYTES)
# One limit for every body: Django's own would refuse larger forms as malformed.
DATA_UPLOAD_MAX_MEMORY_SIZE = WRITE_MAX_BODY_BYTES
WRITE_READ_TIME_LIMIT_SECONDS = environment.read(WriteSettings.WRITE_READ_TIME_LIMIT_SECONDS)
WRITE_BATCH_MAX_WRITES = environment.read(WriteSettings.WRITE_BATCH_MAX_WRITES)
WRITE_TASK_SECONDS = environment.read(WriteSettings.WRITE_TASK_SECONDS)
WRITE_TIME_LIMIT_SECONDS = environment.read(WriteSettings.WRITE_TIME_LIMIT_SECONDS)
WRITE_MAX_DELIVERIES = environment.read(WriteSettings.WRITE_MAX_DELIVERIES)
# Everything here has a write function, but for the admin: see project/urls.py.
WRITE_OUTSIDE_WRITER = "refuse"
WRITE_LOCK_WAIT_SECONDS = environment.read(WriteSettings.WRITE_LOCK_WAIT_SECONDS)
WRITE_LOCK_HOLD_SECONDS = environment.read(WriteSettings.WRITE_LOCK_HOLD_SECONDS)
WRITE_PAUSE_TIMEOUT_SECONDS = environment.read(WriteSettings.WRITE_PAUSE_TIMEOUT_SECONDS)
WRITE_SYNCHRONOUS = environment.read(WriteSettings.WRITE_SYNCHRONOUS)
WRITE_CHECKPOINT_BYTES = environment.read(WriteSettings.WRITE_CHECKPOINT_BYTES)
WRITE_READY_OLDEST_SECONDS = environment.read(WriteSettings.WRITE_READY_OLDEST_SECONDS)
WRITE_TRACE_CONTEXT = environment.read(WriteSettings.WRITE_TRACE_CONTEXT)
WRITE_REQUIRE_IF_MATCH = environment.read(WriteSettings.WRITE_REQUIRE_IF_MATCH)
WRITE_RECEIPT_DAYS = environment.read(WriteSettings.WRITE_RECEIPT_DAYS)
WRITE_BACKUP_HOURS = environment.read(WriteSettings.WRITE_BACKUP_HOURS)
WRITE_BACKUP_KEEP = environment.read(WriteSettings.WRITE_BACKUP_KEEP)
WRITE_BACKUP_COMPRESS = environment.read(WriteSettings.WRITE_BACKUP_COMPRESS)
WRITE_BACKUP_DIRECTORY = environment.read(WriteSettings.WRITE_BACKUP_DIRECTORY)
WRITE_CELERY_APP = environment.read(WriteSettings.WRITE_CELERY_APP)
WRITE_MAX_RECEIPTS = environment.read(WriteSettings.WRITE_MAX_RECEIPTS)
