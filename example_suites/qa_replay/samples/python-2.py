import asyncio
import json


async def fetch(reader):
    line = await reader.readline()  # one document per line
    return json.loads(line)


async def fetch_all(readers):
    return await asyncio.gather(*map(fetch, readers))
