/** Word lists for generated names. All persons and things in them are fictitious. */

type List = readonly [string, ...string[]]

const words = (text: string): List => text.split(' ') as [string, ...string[]]
const phrases = (text: string): List => text.split(', ') as [string, ...string[]]

export const GENRES = phrases(
  'Action, Adventure, Animation, Comedy, Crime, Documentary, Drama, Family, Fantasy, History, Horror, ' +
    'Music, Mystery, Romance, Science Fiction, Sport, Thriller, War, Western',
)

export const COUNTRIES = words('DE US GB FR ES IT NL SE PL AT IN JP BR CA')

export const LANGUAGES = words('en de fr es it sv pl hi ja pt')

export const TITLE_ADJECTIVES = words(
  'Silent Golden Broken Hidden Crimson Distant Endless Fearless Frozen Gentle Hollow Last Lonely ' +
    'Midnight Paper Quiet Restless Second Velvet Wandering Winter Electric',
)

export const TITLE_NOUNS = words(
  'Harbour Lantern River Orchard Signal Station Garden Mirror Compass Carousel Café Bridge Cathedral ' +
    'Meadow Observatory Promise Letter Kingdom Island Voyage Façade Symphony Tide Summit Archive ' +
    'Labyrinth Soirée Menagerie Horizon Clockmaker Über-Train',
)

export const TITLE_PLACES = words(
  'Ashgrove Blackmere Coldwater Dunmarsh Elderfield Fernhollow Greyport Königssee Larkspur Mossley ' +
    'Northgate Oakhaven Saint-Élan Thornbury Westmoor',
)

export const GIVEN_NAMES = words(
  'Alder Aster Briar Cedar Clover Coral Dale Ember Fern Forest Hazel Heath Indigo Ivy Juniper Lark ' +
    'Laurel Linden Marigold Meadow Olive Opal Poppy Robin Rowan Sage Sky Sorrel Sterling Willow Wren ' +
    'Zephyr',
)

export const SURNAME_STARTS = words(
  'Ash Birch Brook Cliff Copper Elm Fair Glen Hawk High Lake Moor Oak Raven River Rock Silver Snow ' +
    'Stone Sun Thistle West Wild Wolf',
)

export const SURNAME_ENDS = words(
  'bank bridge brook by dale field ford gate ham haven hollow hurst lea mere mont ridge shaw thorpe ' +
    'well wick wood worth',
)

export const SYNOPSIS_SUBJECTS = phrases(
  'A retired cartographer, Two rival bakers, The last lighthouse keeper, A young violinist, An honest ' +
    'thief, Three sisters, A night-train conductor, The village archivist, A stubborn astronomer, An ' +
    'island doctor',
)

export const SYNOPSIS_VERBS = phrases(
  'discovered, had to protect, set out to find, could not forget, inherited, stole, swore to hide, rebuilt',
)

export const SYNOPSIS_OBJECTS = phrases(
  'a map of a town that was never built, the only recording of a storm, a letter from the future, the ' +
    'recipe that started a feud, an orchard that blooms in winter, a house with one door too many, the ' +
    'clock that stopped a war, a friend who does not exist',
)
