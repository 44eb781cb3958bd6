"""The words that the invented university is made of. Lists only; all of it is made up."""

# ruff: noqa: SIM905 - lists of words read best as words

UNIVERSITY = "Aldermoor University"

GIVEN = """
Abena Adam Ada Aiko Alasdair Alice Amara Amir Anders Aneesa Anita Anwen Arjun Astrid Aurelia Ayesha Beatriz Benjamin
Bronwen Carlos Carys Catherine Chidi Chloe Ciara Clara Daniel Darragh David Deepa Dimitri Edith Eilidh Elena Elif
Emeka Emily Emre Esther Ewan Farah Fatima Felix Fiona Francesca Gareth George Grace Gwen Hamza Hana Hannah Harriet
Hassan Helen Henrik Hugo Ibrahim Imogen Ines Isaac Isla Ivan Jack Jakub James Jasmine Joanna Jorge Joseph Julia Kamal
Karim Katarina Keir Kenji Kwame Laila Laura Leila Lewis Liam Lucia Lukas Maeve Magnus Maja Malik Margaret Maria Mateo
Matilda Maya Mei Mohammed Moira Morag Nadia Naomi Nasreen Nathan Ngozi Niamh Nikhil Nina Noor Oliver Olga Omar Orla
Owen Paolo Patience Peter Petra Philippa Priya Rachel Rafael Rania Rhys Robert Rohan Rosalind Ruth Salma Samuel Sanjay
Sarah Sean Shreya Sinead Sofia Stefan Sunita Tariq Thandiwe Theo Thomas Tomasz Ursula Uzma Victor Wei William Xin
Yasmin Yuki Yusuf Zainab Zoe Zofia
""".split()

FAMILY = """
Abbott Achterberg Adebayo Ahmed Ainsworth Aldridge Alvarez Andersson Aoki Appiah Ashworth Bakshi Balogun Banerjee
Barnett Bauer Beaumont Begum Bellamy Bianchi Blackwood Bose Boyle Bradshaw Brennan Burgess Byrne Calloway Campbell
Carver Chaudhry Chen Clarke Coates Conti Cooper Craig Crawford Cunningham Dalton Danso Das Davies Delgado Desai
Dimitrov Doherty Drummond Dubois Duffy Eastwood Edwards Ekström Eriksen Evans Fairclough Farrell Fernandes Fischer
Fletcher Forsyth Fraser Gallagher Ganguly Garrett Ghosh Gibson Goodwin Greenhalgh Griffiths Gupta Hadley Hansen
Hartley Hashemi Hayes Henderson Hoffmann Holloway Hopkins Horvat Howells Hussain Ibarra Igwe Ishikawa Iyer Jansen
Jarvis Jenkins Johansson Kaplan Kapoor Kaur Kavanagh Keane Kelleher Khan Kimura Kovács Kowalski Lambert Larsen Lawal
Leclerc Lennox Lin Llewellyn Lockwood Lopez MacLeod Mahmood Malhotra Marsh Mbeki McAllister McGrath Mensah Mercer
Mistry Moreau Morrison Müller Murphy Musa Nair Nakagawa Nandakumar Novak Nwosu O'Connor O'Neill Okafor Oliveira Osei
Owusu Palmer Papadopoulos Parekh Patel Pemberton Pereira Petrov Pritchard Quinn Rahman Ramsay Rao Reyes Rossi Rowntree
Saito Santos Sato Schneider Sharma Silva Singh Sinclair Sithole Smith Sorensen Stewart Sutherland Svensson Takahashi
Tanaka Tennant Thapa Thornton Tremblay Turnbull Uddin Vance Varga Vaughan Venter Walsh Wang Watanabe Weaver Whitfield
Williams Wójcik Wright Xu Yamamoto Yilmaz Young Zhang Zieliński
""".split()

FACULTIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "FAH": ("Faculty of Arts and Humanities", ("English", "History", "Languages", "Music", "Philosophy")),
    "FBL": (
        "Faculty of Business and Law",
        ("Accounting and Finance", "Economics", "Law", "Management", "Marketing"),
    ),
    "FEC": (
        "Faculty of Engineering and Computing",
        ("Chemical Engineering", "Civil Engineering", "Computer Science", "Electrical Engineering", "Mathematics"),
    ),
    "FHL": (
        "Faculty of Health and Life Sciences",
        ("Biology", "Medicine", "Midwifery", "Nursing", "Psychology"),
    ),
    "FSE": (
        "Faculty of Social Sciences and Education",
        ("Education", "Geography", "Politics", "Social Work", "Sociology"),
    ),
}
"""Code: the faculty and its departments."""

SERVICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "REG": ("Registry", ("Admissions", "Examinations", "Student Records", "Timetabling")),
    "FIN": ("Finance", ("Accounts Payable", "Payroll", "Research Finance")),
    "LIB": ("Library", ("Collections", "Reader Services")),
    "ITS": ("IT Services", ("Infrastructure", "Service Desk", "Software Support")),
    "HRS": ("Human Resources", ()),
    "PLN": ("Planning and Assurance", ("Internal Audit", "Statutory Returns")),
    "EST": ("Estates", ()),
}
"""Professional services: the same."""
