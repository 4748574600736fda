"""
The design that presence replaces: a middleware that writes two fields of the user on every request.

READ_USER=1: as simplejwt and Django are made to be used. The user is read, and saved with
`update_fields`. READ_USER=0: the least that Django can do, one UPDATE by the number in the token.
"""

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
from rest_framework_simplejwt.authentication import (  # noqa: E402
    JWTAuthentication,
    JWTStatelessUserAuthentication,
)

READS_USER = os.environ["READ_USER"] == "1"


class Account(models.Model):
    username = models.TextField()
    online_status = models.TextField(db_index=True)
    last_seen = models.DateTimeField(null=True, db_index=True)

    # What simplejwt and rest_framework ask of a user.
    is_active = True
    is_authenticated = True

    class Meta:
        app_label = "peer"
        db_table = "account"
        managed = False


class AccountAuthentication(JWTAuthentication):
    """simplejwt's own, which reads the user."""

    def __init__(self):
        super().__init__()
        self.user_model = Account


def save_seen(user, now):
    user.online_status = "online"
    user.last_seen = now
    user.save(update_fields=["online_status", "last_seen"])


def update_seen(user, now):
    Account.objects.filter(pk=user.id).update(online_status="online", last_seen=now)


class OnlineStatusMiddleware:
    """Verifies the token, and writes the two fields."""

    def __init__(self, get_response):
        self.get_response = get_response
        if READS_USER:
            self.authentication, self.write = AccountAuthentication(), save_seen
        else:
            self.authentication, self.write = JWTStatelessUserAuthentication(), update_seen

    def __call__(self, request):
        known = self.authentication.authenticate(request)
        request.known = known
        if known is not None:
            request.seen = timezone.now()
            self.write(known[0], request.seen)
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
