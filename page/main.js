// @ts-check
import { loadConfig } from "./config.js";
import { Client } from "./rythmiq.js";

const config = await loadConfig();
const client = new Client(config.apiUrl, { root: true });
const count = document.createElement("p");
count.textContent = `${(await client.portals()).length} portals.`;
document.getElementById("page")?.append(count);
