//! The 31 provinces that file websites, and the characters that stand for them in filing numbers.

use std::fmt;

/// A province, autonomous region or municipality. Its index is what [`super::Facts::province`]
/// and the configuration's list of provinces without forums hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Province(u8);

/// Characters in filing numbers (the usual one first), name in Chinese, name in English.
const PROVINCES: [(&str, &str, &str); 31] = [
    ("京", "北京", "Beijing"),
    ("津", "天津", "Tianjin"),
    ("冀", "河北", "Hebei"),
    ("晋", "山西", "Shanxi"),
    ("蒙", "内蒙古", "Inner Mongolia"),
    ("辽", "辽宁", "Liaoning"),
    ("吉", "吉林", "Jilin"),
    ("黑", "黑龙江", "Heilongjiang"),
    ("沪申", "上海", "Shanghai"),
    ("苏", "江苏", "Jiangsu"),
    ("浙", "浙江", "Zhejiang"),
    ("皖", "安徽", "Anhui"),
    ("闽", "福建", "Fujian"),
    ("赣", "江西", "Jiangxi"),
    ("鲁", "山东", "Shandong"),
    ("豫", "河南", "Henan"),
    ("鄂楚", "湖北", "Hubei"),
    ("湘", "湖南", "Hunan"),
    ("粤", "广东", "Guangdong"),
    ("桂", "广西", "Guangxi"),
    ("琼", "海南", "Hainan"),
    ("渝", "重庆", "Chongqing"),
    ("蜀川", "四川", "Sichuan"),
    ("黔贵", "贵州", "Guizhou"),
    ("滇云", "云南", "Yunnan"),
    ("藏", "西藏", "Tibet"),
    ("陕秦", "陕西", "Shaanxi"),
    ("陇甘", "甘肃", "Gansu"),
    ("青", "青海", "Qinghai"),
    ("宁", "宁夏", "Ningxia"),
    ("新", "新疆", "Xinjiang"),
];

impl Province {
    /// How many there are.
    pub const COUNT: usize = PROVINCES.len();

    /// All of them, in the order of their indices.
    pub fn all() -> impl Iterator<Item = Province> {
        (0..PROVINCES.len() as u8).map(Province)
    }

    /// The province of an index from 0 to 30.
    pub fn from_index(index: u8) -> Option<Province> {
        (usize::from(index) < PROVINCES.len()).then_some(Province(index))
    }

    /// The province that a character in a filing number stands for, aliases included.
    pub fn from_abbreviation(abbreviation: char) -> Option<Province> {
        Province::find(|(characters, _, _)| characters.chars().any(|one| one == abbreviation))
    }

    /// Reads an abbreviation, an alias, or the name in Chinese (with or without 省, 市, 自治区)
    /// or English.
    pub fn parse(text: &str) -> Option<Province> {
        let text = text.trim();
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(only), None) => Province::from_abbreviation(only),
            (Some(_), Some(_)) => Province::find(|(_, chinese, english)| {
                text.eq_ignore_ascii_case(english)
                    || text.strip_prefix(chinese).is_some_and(|rest| {
                        let kinds = ["", "省", "市", "自治区", "回族自治区", "壮族自治区"];
                        kinds.contains(&rest) || rest == "维吾尔自治区"
                    })
            }),
            _ => None,
        }
    }

    /// From 0 to 30.
    pub fn index(self) -> u8 {
        self.0
    }

    /// The usual character in filing numbers, such as 蜀.
    pub fn abbreviation(self) -> &'static str {
        let characters = self.entry().0;
        let first = characters.chars().next().map_or(0, char::len_utf8);
        &characters[..first]
    }

    /// Such as 四川.
    pub fn chinese(self) -> &'static str {
        self.entry().1
    }

    /// Such as Sichuan.
    pub fn english(self) -> &'static str {
        self.entry().2
    }

    fn find(wanted: impl Fn(&(&str, &str, &str)) -> bool) -> Option<Province> {
        PROVINCES.iter().position(wanted).and_then(|index| u8::try_from(index).ok()).map(Province)
    }

    fn entry(self) -> &'static (&'static str, &'static str, &'static str) {
        // Only this module makes a `Province`, and always below the length of the table.
        &PROVINCES[usize::from(self.0)]
    }
}

/// `四川 (Sichuan)`
impl fmt::Display for Province {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.chinese(), self.english())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_way_to_write_a_province_leads_to_the_same_one() {
        for (one, other) in [
            ("蜀", "川"),
            ("陇", "甘"),
            ("黔", "贵"),
            ("滇", "云"),
            ("陕", "秦"),
            ("沪", "申"),
            ("鄂", "楚"),
            ("四川省", "Sichuan"),
            ("北京市", "京"),
            ("内蒙古自治区", "蒙"),
            ("新疆维吾尔自治区", "xinjiang"),
            ("广西壮族自治区", "桂"),
            ("宁夏回族自治区", "宁"),
        ] {
            let province = Province::parse(one);
            assert!(province.is_some(), "{one}");
            assert_eq!(province, Province::parse(other), "{one} {other}");
        }
        assert_ne!(Province::parse("Shanxi"), Province::parse("Shaanxi"));
    }

    #[test]
    fn hong_kong_macao_and_taiwan_file_nothing() {
        for text in ["港", "澳", "台", "香港", "", "四川盆地"] {
            assert_eq!(Province::parse(text), None, "{text}");
        }
    }

    #[test]
    fn no_character_stands_for_two_provinces() {
        let characters: Vec<char> = PROVINCES.iter().flat_map(|(all, _, _)| all.chars()).collect();
        assert_eq!(characters.iter().collect::<HashSet<_>>().len(), characters.len());
        for province in Province::all() {
            assert_eq!(Province::parse(province.abbreviation()), Some(province));
            assert_eq!(Province::parse(province.chinese()), Some(province));
            assert_eq!(Province::from_index(province.index()), Some(province));
        }
        assert_eq!(Province::from_index(31), None);
    }
}
