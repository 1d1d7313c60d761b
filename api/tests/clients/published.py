"""The client that was published for such APIs in 2021, with the calls that its page has lost put back. Nothing else is changed:
it shows that what people have written by it works unchanged.

    python published.py USERNAME PASSWORD BASE-URL FILE
"""
import json
import requests
from requests_toolbelt.multipart import encoder
import sys

baseURL = sys.argv[3]

# /api/Token is the API to retrieve the auth token
getTokenURL = baseURL + '/api/Token'

# /api/Scan is the API to pass the file to for scanning
scanFileURL = baseURL + '/api/Scan'

headers = {'Content-type': 'application/json'}

uname = sys.argv[1]
pw = sys.argv[2]
foo = {"username": "", "password": ""}
foo["username"] = uname
foo["password"] = pw
json_foo = json.dumps(foo)

session = requests.Session()
r = session.post(getTokenURL, data=json_foo, headers=headers)

jsonResponse = json.loads(r.text)
accessToken = jsonResponse["accessToken"]

with open(sys.argv[4], 'rb') as f:
    form = encoder.MultipartEncoder({
        "documents": ("my_file", f, "application/octet-stream"),
        "composite": "NONE",
    })
    headers = {"Prefer": "respond-async", "Content-Type": form.content_type, 'Authorization': 'Bearer ' + accessToken}
    r = session.post(scanFileURL, headers=headers, data=form, timeout=4000)

parsed = json.loads(r.text)
print(json.dumps(parsed, indent=4, sort_keys=True))

if parsed['result'] == "Clean":
    print("file was clean")
