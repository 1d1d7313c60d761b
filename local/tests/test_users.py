"""User pools: what the verdict API and `lazaret user` rely on. What needed a patch is in the first two classes."""

from __future__ import annotations

import base64
import json
import time
import unittest
import urllib.request
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from support import Cloud, PatchTest, error_code, patched, unique

PASSWORD = "Correct-Horse-7-Battery"
# As cdk/lib/constructs/api-users.ts has it.
POLICY = {
    "MinimumLength": 14,
    "RequireLowercase": True,
    "RequireNumbers": True,
    "RequireSymbols": True,
    "RequireUppercase": True,
}
FLOWS = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]


class Pool:
    """A pool as the stack's, and its client."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.idp = cloud, cloud.client("cognito-idp")
        pool = self.idp.create_user_pool(
            PoolName=unique(),
            Policies={"PasswordPolicy": POLICY},
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
            UsernameConfiguration={"CaseSensitive": False},
        )
        self.id = pool["UserPool"]["Id"]
        client = self.idp.create_user_pool_client(
            UserPoolId=self.id, ClientName="api", ExplicitAuthFlows=FLOWS, PreventUserExistenceErrors="ENABLED"
        )
        self.client = client["UserPoolClient"]["ClientId"]

    def add(self, name: str, **more: Any) -> str:
        user = self.idp.admin_create_user(UserPoolId=self.id, Username=name, MessageAction="SUPPRESS", **more)["User"]
        return user["UserStatus"]

    def set_password(self, name: str, password: str = PASSWORD) -> None:
        self.idp.admin_set_user_password(UserPoolId=self.id, Username=name, Password=password, Permanent=True)

    def login(self, name: str, password: str = PASSWORD) -> dict:
        parameters = {"USERNAME": name, "PASSWORD": password}
        return self.idp.initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH", ClientId=self.client, AuthParameters=parameters
        )

    def keys(self) -> dict[str, dict]:
        with urllib.request.urlopen(f"{self.idp.meta.endpoint_url}/{self.id}/.well-known/jwks.json") as answer:
            return {key["kid"]: key for key in json.load(answer)["keys"]}


class MadeUpPasswords(PatchTest, unittest.TestCase):
    """pool_users"""

    def behaviour(self, cloud: Cloud) -> None:
        self.assertEqual(Pool(cloud).add("anna"), "FORCE_CHANGE_PASSWORD")


class NamesWithoutCase(PatchTest, unittest.TestCase):
    """pool_users"""

    def behaviour(self, cloud: Cloud) -> None:
        pool = Pool(cloud)
        pool.add("Anna", TemporaryPassword=PASSWORD)
        pool.set_password("anna")
        self.assertIn("AuthenticationResult", pool.login("ANNA"))
        again = {"UserPoolId": pool.id, "Username": "anna", "MessageAction": "SUPPRESS", "TemporaryPassword": PASSWORD}
        self.assertEqual(error_code(pool.idp.admin_create_user, **again), "UsernameExistsException")


class Logins(unittest.TestCase):
    def setUp(self) -> None:
        self.pool = Pool(patched())
        self.pool.add("anna")

    def refused(self, name: str, password: str) -> str:
        try:
            self.pool.login(name, password)
        except self.pool.idp.exceptions.NotAuthorizedException as error:
            return error.response["Error"]["Message"]
        return "logged in"

    def test_a_user_logs_in_with_his_password_and_no_other(self) -> None:
        self.pool.set_password("anna")
        result = self.pool.login("anna")["AuthenticationResult"]
        self.assertEqual(result["ExpiresIn"], 3600)
        wrong = self.refused("anna", "Wrong-Horse-7-Battery")
        self.assertEqual(wrong, "Incorrect username or password.")
        self.assertEqual(self.refused("nobody", PASSWORD), wrong, "it does not tell who is there")

    def test_a_temporary_password_gives_no_token(self) -> None:
        self.pool.add("temp", TemporaryPassword=PASSWORD)
        answer = self.pool.login("temp")
        self.assertEqual(answer["ChallengeName"], "NEW_PASSWORD_REQUIRED")
        self.assertNotIn("AuthenticationResult", answer)

    def test_a_disabled_user_does_not_log_in(self) -> None:
        self.pool.set_password("anna")
        self.pool.idp.admin_disable_user(UserPoolId=self.pool.id, Username="anna")
        self.assertIn("disabled", self.refused("anna", PASSWORD))

    def test_the_policy_is_kept(self) -> None:
        weak = {"UserPoolId": self.pool.id, "Username": "anna", "Password": "short", "Permanent": True}
        self.assertEqual(error_code(self.pool.idp.admin_set_user_password, **weak), "InvalidPasswordException")

    def test_a_login_needs_no_signature(self) -> None:
        self.pool.set_password("anna")
        parameters = {"USERNAME": "anna", "PASSWORD": PASSWORD}
        body = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": self.pool.client, "AuthParameters": parameters}
        request = urllib.request.Request(
            self.pool.idp.meta.endpoint_url,
            data=json.dumps(body).encode(),
            headers={
                "X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth",
                "Content-Type": "application/x-amz-json-1.1",
            },
        )
        with urllib.request.urlopen(request) as answer:
            self.assertIn("AuthenticationResult", json.load(answer))

    def test_an_access_token_is_signed_by_a_published_key_and_says_what_it_is_for(self) -> None:
        self.pool.set_password("anna")
        token = self.pool.login("anna")["AuthenticationResult"]["AccessToken"]
        head, claims, signature = token.split(".")
        header, said = json.loads(decoded(head)), json.loads(decoded(claims))
        key = self.pool.keys()[header["kid"]]
        self.assertEqual((header["alg"], key["alg"], key["kty"]), ("RS256", "RS256", "RSA"))
        numbers = (int.from_bytes(decoded(key[part]), "big") for part in ("e", "n"))
        public = rsa.RSAPublicNumbers(*numbers).public_key()
        self.assertEqual(public.key_size, 2048)
        # raises if it is another's
        public.verify(decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), SHA256())
        self.assertEqual(said["iss"], f"https://cognito-idp.eu-central-1.amazonaws.com/{self.pool.id}")
        self.assertEqual((said["token_use"], said["client_id"]), ("access", self.pool.client))
        self.assertEqual(said["exp"] - said["iat"], 3600)
        self.assertLess(abs(said["iat"] - time.time()), 60)

    def test_two_pools_have_other_keys(self) -> None:
        self.assertFalse(self.pool.keys().keys() & Pool(patched()).keys().keys())


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


if __name__ == "__main__":
    unittest.main()
