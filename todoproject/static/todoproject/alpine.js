// What the admin's Alpine expressions name, registered, because the CSP build of Alpine sees no globals.
document.addEventListener("alpine:init", () => {
  Alpine.data("theme", (...wanted) => ({
    ...theme(...wanted),
    window: { location: { pathname: window.location.pathname, search: window.location.search } },
  }));
  Alpine.data("searchForm", searchForm);
  Alpine.data("searchDropdown", searchDropdown);
  Alpine.data("searchCommand", searchCommand);
  Alpine.data("page", (tab) => ({
    activeTab: tab,
    sidebarMobileOpen: false,
    sidebarDesktopOpen: localStorage.getItem("sidebarDesktopOpen") !== "0",
    init() {
      this.activeTab = (tab && getCurrentTab()) || tab;
      this.$watch("sidebarDesktopOpen", (open) => localStorage.setItem("sidebarDesktopOpen", open ? "1" : "0"));
    },
  }));
});
