PROJECTS = Resource(
    model=Project,
    owner="owner_id",
    routes=frozenset(f"projects.{name}" for name in ("index", "create", "show", "edit", "delete")),
    make=lambda owner, texts: Project(owner_id=owner.id, due=date(2027, 1, 31), **texts),
    plain=("name",),
    rich=("goal",),
    values={"version": 1, "due": "2027-01-31"},
    pages="projects.index",
)
