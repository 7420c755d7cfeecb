//! Picklists that several fields share.

pub(super) const TIME_ZONES: &str = "Pacific/Kiritimati;Pacific/Chatham;Pacific/Apia;Pacific/Auckland;Pacific/Fakaofo;Pacific/Tongatapu;\
Asia/Kamchatka;Pacific/Fiji;Asia/Magadan;Australia/Sydney;Australia/Melbourne;Australia/Brisbane;Australia/Adelaide;\
Australia/Darwin;Asia/Seoul;Asia/Tokyo;Asia/Hong_Kong;Asia/Kuala_Lumpur;Asia/Manila;Asia/Shanghai;Asia/Singapore;\
Asia/Taipei;Australia/Perth;Asia/Bangkok;Asia/Ho_Chi_Minh;Asia/Jakarta;Asia/Rangoon;Asia/Dhaka;Asia/Almaty;\
Asia/Kathmandu;Asia/Colombo;Asia/Kolkata;Asia/Karachi;Asia/Tashkent;Asia/Yekaterinburg;Asia/Kabul;Asia/Baku;Asia/Dubai;\
Asia/Tbilisi;Asia/Yerevan;Asia/Tehran;Africa/Nairobi;Asia/Baghdad;Asia/Kuwait;Asia/Riyadh;Europe/Istanbul;Europe/Minsk;\
Europe/Moscow;Africa/Cairo;Africa/Johannesburg;Asia/Beirut;Asia/Jerusalem;Europe/Athens;Europe/Bucharest;\
Europe/Helsinki;Europe/Kiev;Africa/Algiers;Europe/Amsterdam;Europe/Berlin;Europe/Brussels;Europe/Paris;Europe/Prague;\
Europe/Rome;Europe/Madrid;Europe/Stockholm;Europe/Vienna;Europe/Warsaw;Europe/Zurich;Africa/Casablanca;Europe/Dublin;\
Europe/Lisbon;Europe/London;GMT;Atlantic/Azores;Atlantic/Cape_Verde;America/Sao_Paulo;America/Argentina/Buenos_Aires;\
America/St_Johns;America/Halifax;America/Santiago;America/Caracas;Atlantic/Bermuda;America/Puerto_Rico;America/New_York;\
America/Bogota;America/Lima;America/Panama;America/Indiana/Indianapolis;America/Chicago;America/Mexico_City;\
America/El_Salvador;America/Denver;America/Phoenix;America/Los_Angeles;America/Tijuana;America/Anchorage;\
Pacific/Gambier;Pacific/Marquesas;America/Adak;Pacific/Honolulu;Pacific/Niue;Pacific/Pago_Pago";

pub(super) const LOCALES: &str = "ar_AE;ar_EG;ar_SA;bg_BG;ca_ES;cs_CZ;da_DK;de_AT;de_CH;de_DE;el_GR;en_AU;en_CA;en_GB;en_IE;en_IN;en_NZ;\
en_SG;en_US;en_ZA;es_AR;es_CL;es_CO;es_ES;es_MX;et_EE;fi_FI;fr_BE;fr_CA;fr_CH;fr_FR;hi_IN;hr_HR;hu_HU;in_ID;is_IS;it_CH;\
it_IT;iw_IL;ja_JP;ko_KR;lt_LT;lv_LV;ms_MY;nl_BE;nl_NL;no_NO;pl_PL;pt_BR;pt_PT;ro_RO;ru_RU;sk_SK;sl_SI;sr_RS;sv_SE;th_TH;\
tr_TR;uk_UA;vi_VN;zh_CN;zh_HK;zh_TW";

pub(super) const LANGUAGES: &str = "en_US;de;es;fr;it;ja;sv;ko;zh_TW;zh_CN;pt_BR;nl_NL;da;th;fi;ru;es_MX;no;hu;pl;cs;tr;in;ro;vi;uk;iw;el;bg;en_GB;ar";
