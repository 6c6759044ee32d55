import { describeBroken, edit, model, P, M } from './fixtures/broken.fixture.ts'

describeBroken(
  'what analysts get',
  [
    // serve
    {
      name: 'an unknown served table',
      change: edit(P, '- sales\n', '- slaes\n'),
      file: P,
      at: '- slaes',
      message: 'unknown table `slaes`',
      remedy: 'did you mean `sales`?',
    },
    {
      name: 'a table served twice',
      change: edit(P, '- sales\n', '- sales\n  - { table: sales, as: sales_again }\n'),
      file: P,
      at: '- { table: sales,',
      message: '`sales` is served twice',
      remedy: 'remove one',
    },
    {
      name: 'two tables under one name',
      change: edit(P, 'as: users,', 'as: Sales,'),
      file: P,
      at: '- { table: dim_user',
      message: '`Sales` is the name of two served tables',
      remedy: 'with `as`',
    },
    {
      name: 'leaving out an unknown column',
      change: edit(P, 'exclude: [email]', 'exclude: [email, emial]'),
      file: P,
      at: '- { table: dim_user',
      message: '`exclude` names the unknown column `emial`',
      remedy: 'did you mean `email`?',
    },
    {
      name: 'leaving out the key',
      change: edit(P, 'exclude: [email]', 'exclude: [email, user_id]'),
      file: P,
      at: '- { table: dim_user',
      message: '`exclude` names `user_id`, which is part of the key',
      remedy: 'keep it',
    },
    // personal data
    {
      name: 'personal data of a dataset on its way to analysts',
      change: edit(P, '- sales\n', '- sales\n  - { table: users, exclude: [birth_date], as: people }\n'),
      file: P,
      at: '- { table: users,',
      message: '`users` would carry personal data to the mart: `email`, from users.email',
      remedy: 'exclude: [email]',
    },
    {
      name: 'personal data of a model on its way to analysts',
      change: edit(P, ', exclude: [email] }', ' }'),
      file: P,
      at: '- { table: dim_user',
      message: '`dim_user` would carry personal data to the mart: `email`, from users.email',
      remedy: 'cinelake.allowedIn: [refined, mart]',
    },
    {
      name: 'anonymous data that was never personal',
      change: model('/*\nanonymous: [country]\n*/\nSELECT user_id, country FROM users'),
      file: M,
      at: 'anonymous',
      message: '`country` is not made of personal data',
      remedy: 'remove it',
      severity: 'warning',
    },
  ],
  { withEngine: true },
)
