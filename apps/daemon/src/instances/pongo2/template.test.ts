import { expect, test } from 'vitest';
import { renderTemplate } from './template.ts';
import type { ValueMap } from './value.ts';

// What the reference server (5.0.2) writes for the same templates.
const config: ValueMap = { 'user.set': '1', 'user.e': '' };
const context: ValueMap = {
  trigger: 'start',
  path: '/new/dir/all.txt',
  instance: { name: 'images-t3', architecture: 'x86_64', privileged: 'false', ephemeral: 'false' },
  config,
  devices: { root: { path: '/', type: 'disk' }, eth0: { type: 'nic' } },
  properties: { x: '1', foo: 'bar' },
  config_get: (key, fallback) => config[String(key)] ?? fallback,
};

test.each([
  ['trigger={{ trigger }} path={{ path }}\n', 'trigger=start path=/new/dir/all.txt\n'],
  ['{{ config_get("user.foo", "bar") }} {{ config_get("user.set","x") }} {{ config_get("user.e", "") }}|', 'bar 1 |'],
  ['{{ nope }}|{{ nope.a.b }}|', '||'],
  ['{{ true }} {{ 1 }} {{ 1.5 }} {{ 1+2 }} {{ 7/2 }} {{ "a<b>&" }}', 'True 1 1.500000 3 3 a<b>&'],
  [`{{ 'x"y' }}`, 'x"y'],
  ['{{ nope|default:"dd" }} {{ instance.name|upper }} {{ "a,b"|split:","|join:"-" }}', 'dd IMAGES-T3 a-b'],
  ['{% for k, v in properties %}{{ k }}={{ v }};{{ forloop.Counter }}{% endfor %}', 'foo=bar;1x=1;2'],
  ['{% for k in properties %}{{ k }}{% if not forloop.Last %},{% endif %}{% endfor %}', 'foo,x'],
  ['{% for d in devices sorted %}{{ d }}{% empty %}none{% endfor %}', 'eth0root'],
  ['{% for d in nope %}{{ d }}{% empty %}none{% endfor %}', 'none'],
  ['{% if instance.privileged == "true" %}priv{% elif 1 == 1 && !false %}elif{% else %}unpriv{% endif %}', 'elif'],
  ['{% if instance.privileged %}truthy{% else %}falsy{% endif %}', 'truthy'],
  ['{% if "foo" in properties %}in{% endif %} {% if properties.foo == "bar" and not nope %}yes{% endif %}', 'in yes'],
  ['{{ properties.foo|length }} {{ properties|length }} {{ nope|length }}', '3 2 0'],
  ['{% set x = "v" %}{{ x }} {% ifequal x "v" %}eq{% else %}ne{% endifequal %}', 'v eq'],
  ['a\n{%- if true -%}  trim  {%- endif -%}\nend\n', 'atrimend\n'],
  ['{{ devices.root.path }} {{ devices.eth0.type }}', '/ nic'],
  ['{# gone #}{% comment %}{{ gone|nofilter }}{% endcomment %}{{ config.user }}', ''],
])('[04.150 04.151 04.152] %s', (template, expected) => {
  expect(renderTemplate(template, context)).toBe(expected);
});

test('[04.150] dates take layouts', () => {
  expect(renderTemplate('{{ 0|date:"2006-01-02" }}', {})).toMatch(/^19(70-01-01|69-12-31)$/);
  expect(renderTemplate('{% now "2006" %}', {})).toBe(String(new Date().getFullYear()));
});

test.each([
  ['{% bad %}', /Unknown template tag/],
  ['{{ x|nofilter }}', /Unknown template filter "nofilter"/],
  ['{% include "/etc/passwd" %}', /Unknown template tag/],
  ['{% if true %}', /endif/],
  ['{{ 1 / 0 }}', /divides by zero/],
  ['{{ a b }}', /expected no more/],
  ['{{ nope() }}', /no function/],
])('%s is refused', (template, message) => {
  expect(() => renderTemplate(template, context)).toThrow(message);
});

test.each([
  '{{ config_get.constructor }}',
  '{{ instance.constructor }}{{ instance.__proto__ }}{{ __proto__ }}{{ constructor }}{{ toString }}',
  '{{ trigger.constructor }}{{ properties["constructor"] }}{{ instance.name.length }}',
])('nothing of JavaScript can be reached: %s', (template) => {
  expect(renderTemplate(template, context)).toBe('');
});
