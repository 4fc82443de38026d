package shopapi

var (
	firstNames   = []string{"Ada", "Björn", "Chloé", "Dilnoza", "Emre", "Fatou", "Goran", "Hana", "Ines", "Jakub", "Kwame", "Laila", "Mateo", "Nóra", "Oluwa", "Priya", "Quentin", "Rosa", "Søren", "Tereza", "Uma", "Václav", "Wanda", "Ximena", "Yuki", "Zoltán"}
	lastNames    = []string{"Almeida", "Bauer", "Castillo", "Dvořák", "Eriksen", "Fischer", "García", "Haddad", "Ivanova", "Jensen", "Kowalski", "Lefèvre", "Mensah", "Nakamura", "O-Brien", "Petrov", "Quispe", "Rossi", "Şahin", "Tanaka", "Ueda", "Varga", "Weiß", "Xu", "Yılmaz", "Zhang"}
	domains      = []string{"mail.example", "post.example", "inbox.example", "letters.example", "web.example"}
	customerTags = []string{"newsletter", "wholesale", "vip", "student", "returning"}
	places       = []struct{ city, country string }{{"Berlin", "DE"}, {"München", "DE"}, {"Paris", "FR"}, {"Lyon", "FR"}, {"København", "DK"}, {"Kraków", "PL"}, {"Porto", "PT"}, {"İzmir", "TR"}, {"Wien", "AT"}, {"Zürich", "CH"}, {"Gent", "BE"}, {"Malmö", "SE"}}
	streets      = []string{"Long Lane", "Hafenstraße", "Rue du Port", "Market Square", "Calle Mayor", "Nygade", "Mill Road", "Lindenallee"}
	qualities    = []string{"Handy", "Plain", "Sturdy", "Light", "Folding", "Classic", "Little", "Great"}
	materials    = []string{"oak", "steel", "linen", "wool", "glass", "cork", "bamboo", "clay", "copper"}
	things       = []string{"table", "lamp", "mug", "scarf", "chair", "basket", "kettle", "notebook", "blanket", "stool", "bowl"}
	categories   = []string{"kitchen", "living", "garden", "office", "clothing", "outdoor"}
	notes        = []string{"Please ring twice.", "Leave it with the neighbours.", "A gift: no invoice in the box.", "Größe M, bitte.", "Call before delivery ☎"}
	eventTypes   = []string{"page_view", "search", "add_to_cart", "remove_from_cart", "checkout", "purchase", "sign_in"}
	experiments  = []string{"control", "large-pictures", "one-page-checkout", "free-shipping-bar"}
	agents       = []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Linux; Android 15; Mobile) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
	}
)
