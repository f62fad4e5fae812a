"""Clients: ask a service that runs somewhere. Importing this package does not import httpx.

What is asked, and what an answer means, is said once (`questions`); the two clients differ in how they send it.
"""

from darnet.client.asynchronous import AsyncClient as AsyncClient
from darnet.client.results import RemoteFile as RemoteFile
from darnet.client.results import RemoteJob as RemoteJob
from darnet.client.results import Restored as Restored
from darnet.client.results import RestoreOptions as RestoreOptions
from darnet.client.sync import Client as Client
