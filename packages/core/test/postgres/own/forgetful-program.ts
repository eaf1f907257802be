// A program that starts a private server, says where it is, and waits to be killed. It disposes of nothing.
import { privatePostgres } from '../../servers/private-postgres.ts'

const server = await privatePostgres()
console.log(JSON.stringify({ url: server.url, folder: server.folder }))
