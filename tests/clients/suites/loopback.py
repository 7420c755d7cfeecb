"""Lets clients that always speak https reach an org on loopback: sends what goes to certain https hosts over http.

Nothing of the client is changed; its `requests` session gets another transport.
"""

from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter


class Loopback(HTTPAdapter):
    """Sends requests to `https://HOST/...` to an org's address."""

    def __init__(self, org_url, **options):
        self.address = urlsplit(org_url)
        super().__init__(**options)

    def send(self, request, **options):
        request.url = urlsplit(request.url)._replace(scheme="http", netloc=self.address.netloc).geturl()
        request.headers["Host"] = self.address.netloc
        options["verify"] = False
        return super().send(request, **options)
