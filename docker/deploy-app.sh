#!/bin/sh
# deploy-app.sh APP DIRECTORY: puts one built app with its production dependencies and the list of them into a directory.
set -eu
app="$1" directory="$2"

pnpm --filter "@cinelake/$app" deploy --prod --offline "$directory"
pnpm --dir "$directory" sbom --lockfile-only --prod --sbom-format cyclonedx --sbom-type application --out "$directory/sbom.cdx.json"
node docker/finish-app.ts "$directory"
