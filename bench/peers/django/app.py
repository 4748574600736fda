"""The documents' own design: a middleware that writes the user's row on every request."""

import os
from urllib.parse import urlparse

import django
from django.conf import settings

url = urlparse(os.environ["DATABASE_URL"])
settings.configure(
    SECRET_KEY=os.environ["JWT_SECRET"],
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    MIDDLEWARE=[f"{__name__}.OnlineStatusMiddleware"],
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": url.hostname,
            "PORT": url.port,
            "USER": url.username,
            "NAME": url.path[1:],
            "CONN_MAX_AGE": None,
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    SIMPLE_JWT={
        "SIGNING_KEY": os.environ["JWT_SECRET"],
        "USER_ID_CLAIM": "sub",
        "JTI_CLAIM": None,
        "ISSUER": "presence",
        "AUDIENCE": "presence",
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from rest_framework.authentication import BaseAuthentication  # noqa: E402
from rest_framework.decorators import (  # noqa: E402
    api_view,
    authentication_classes,
    permission_classes,
)
from rest_framework.permissions import IsAuthenticated  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication  # noqa: E402


class Account(models.Model):
    username = models.TextField()
    online_status = models.TextField(db_index=True)
    last_seen = models.DateTimeField(null=True, db_index=True)

    class Meta:
        app_label = "peer"
        db_table = "account"
        managed = False


class OnlineStatusMiddleware:
    """Verifies the token, without a look into the database, and writes the two fields."""

    def __init__(self, get_response):
        self.get_response = get_response
        self.authentication = JWTStatelessUserAuthentication()

    def __call__(self, request):
        known = self.authentication.authenticate(request)
        request.known = known
        if known is not None:
            request.seen = timezone.now()
            Account.objects.filter(pk=known[0].id).update(
                online_status="online", last_seen=request.seen
            )
        return self.get_response(request)


class KnownUser(BaseAuthentication):
    """What the middleware has found, so that the token is verified once."""

    def authenticate(self, request):
        return request._request.known


@api_view(["POST"])
@authentication_classes([KnownUser])
@permission_classes([IsAuthenticated])
def heartbeat(request):
    return Response(
        {
            "message": "Heartbeat recorded",
            "online_status": "online",
            "last_seen": request._request.seen,
            "next_heartbeat_in": 30,
        }
    )


urlpatterns = [path("api/users/heartbeat/", heartbeat)]
application = get_wsgi_application()
