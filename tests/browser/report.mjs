// Opens a report in headless Chromium without a network and uses it: `node report.mjs REPORT.html EXPECTED.json`.
// EXPECTED.json: {"notClean": rows in the table, "verdicts": {"Infected": n, …}, "hostileKey": a key with markup, "screenshot": a path}.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { chromium } from 'playwright-core'

const [reportPath, expectedPath] = process.argv.slice(2)
const expected = JSON.parse(readFileSync(expectedPath, 'utf8'))

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
try {
  const context = await browser.newContext({ offline: true, viewport: { width: 1280, height: 1600 } })
  const page = await context.newPage()
  const problems = []
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`))
  page.on('console', (message) => message.type() === 'error' && problems.push(`console: ${message.text()}`))
  page.on('dialog', (dialog) => {
    problems.push(`a key was run as script: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => request.url().startsWith('file:') || request.url().startsWith('data:') || problems.push(`asked for ${request.url()}`))
  await page.goto(`file://${resolve(reportPath)}`)

  const shown = async () => Number((await page.locator('#shown-count').innerText()).match(/[\d,]+/)[0].replaceAll(',', ''))
  assert.equal(await shown(), expected.notClean, 'every row that is not Clean is there')
  assert.match(await page.locator('#completeness').innerText(), /Nothing was missed/)
  for (const chart of ['#verdict-chart', '#size-chart']) {
    const box = await page.locator(chart).boundingBox()
    assert.ok(box && box.width > 100 && box.height > 20, `${chart} is drawn`)
  }

  for (const [verdict, count] of Object.entries(expected.verdicts)) {
    await page.selectOption('#verdict-filter', verdict)
    assert.equal(await shown(), count, `the filter for ${verdict}`)
  }
  await page.selectOption('#verdict-filter', '')

  await page.fill('#filter', expected.hostileKey)
  assert.equal(await shown(), 1, 'the text filter finds the one key')
  assert.ok((await page.locator('#rows').innerText()).includes(expected.hostileKey), 'markup in a key is shown as text')
  await page.fill('#filter', 'no object has this in its name')
  assert.equal(await shown(), 0)
  await page.fill('#filter', '')
  assert.equal(await shown(), expected.notClean)

  await page.screenshot({ path: expected.screenshot })
  assert.deepEqual(problems, [])
} finally {
  await browser.close()
}
