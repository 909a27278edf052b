/**
 * What the first picture of the page says, in each language, so that it waits for no file of sentences.
 *
 * Of `en.json` and `hi.json`, word for word; a test compares them.
 */

/** @type {Readonly<Record<"en" | "hi", Record<string, string>>>} */
export const FIRST_WORDS = Object.freeze({
  en: {
    brand: "Rythmiq One",
    "frame.account": "Your account and files",
    "frame.device": "Your files on this device",
    "home.lead": "Choose where you will upload it. Checking happens on your device; nothing is sent for it.",
    "home.title": "Make your file fit the form",
    skip: "Skip to the content",
  },
  hi: {
    brand: "Rythmiq One",
    "frame.account": "आपका खाता और फ़ाइलें",
    "frame.device": "इस डिवाइस पर आपकी फ़ाइलें",
    "home.lead": "चुनें कि आप इसे कहाँ अपलोड करेंगे। जाँच आपके डिवाइस पर ही होती है; उसके लिए कुछ भी भेजा नहीं जाता।",
    "home.title": "अपनी फ़ाइल को फ़ॉर्म के लायक बनाएँ",
    skip: "सीधे मुख्य भाग पर जाएँ",
  },
});
